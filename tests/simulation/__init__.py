"""The simulator: all services over `memory` in one process, with everything that can go wrong going wrong by a seed."""
