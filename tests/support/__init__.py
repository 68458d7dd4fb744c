"""What tests of several folders share: builders of facts, and a small world to play stories in."""
