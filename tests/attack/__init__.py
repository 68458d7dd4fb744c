"""What an attacker does, and that nothing comes of it. `targets` is the list of everything that is attacked."""
