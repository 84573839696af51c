"""The example's policy, for the demo and first steps."""
