"""Upsample Anything (GS-JBU + TTO)."""
