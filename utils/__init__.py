"""Shared helpers of the course; import modules, not names: `from utils import data, plot, torch_train`.

Importing this package imports neither PyTorch nor Keras.
"""
