"""The method: LR grid, Gaussians, fit, render. Imports nothing of gsjbu but settings, errors and extras."""
