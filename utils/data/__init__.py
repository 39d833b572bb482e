"""Every data set of the course: `data.load("fashion_mnist")`, `data.photo("china")`, `data.toy.moons()`.

`data.available()` shows the table. Samples are real data that come with the course and need no network;
`size="full"` downloads the complete set once. Importing this package imports neither PyTorch nor Keras.
"""

from utils.data import toy
from utils.data.base import Dataset
from utils.data.download import DataUnavailable
from utils.data.images import photo, photo_names
from utils.data.registry import available, load, names

__all__ = ["DataUnavailable", "Dataset", "available", "load", "names", "photo", "photo_names", "toy"]
