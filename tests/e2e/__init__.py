"""The whole stack on MiniStack, over HTTP."""
