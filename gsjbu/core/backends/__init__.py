"""Who computes a fit and a render: compiled loops on the CPU, batched products anywhere; dispatch.py chooses."""
