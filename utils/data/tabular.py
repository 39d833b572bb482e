"""Tables: one row per example, one column per feature."""

import numpy as np

from utils.data import base


def iris():
    """150 iris flowers: four lengths in cm (N, 4) float32, three species."""
    return _sklearn_table("load_iris")


def wine():
    """178 Italian wines: 13 chemical measurements (N, 13) float32 in their own units, three growers."""
    return _sklearn_table("load_wine")


def breast_cancer():
    """569 breast tumours: 30 measurements of cell nuclei (N, 30) float32, malignant (0) or benign (1)."""
    return _sklearn_table("load_breast_cancer")


def diabetes():
    """442 patients: ten measurements (N, 10) float32, unscaled; y is disease progression after one year."""
    return _sklearn_table("load_diabetes", scaled=False)


def ames():
    """2,930 house sales: a DataFrame of 33 number and 40 category columns; y is the price in US dollars.

    Category columns share their categories between training and test part. A feature that a house does not
    have is a category of its own ("None", "No_Pool"). Only `Lot_Frontage` has missing values (NaN, one in six).
    """
    import pandas as pd

    table = pd.read_csv(base.SAMPLES / "ames.csv.gz", keep_default_na=False)
    table["Lot_Frontage"] = table["Lot_Frontage"].replace(0.0, np.nan)  # the source writes 0 for unknown
    price = table.pop("Sale_Price").to_numpy(np.float32)
    words = table.columns[[not pd.api.types.is_numeric_dtype(kind) for kind in table.dtypes]]
    table = table.astype(dict.fromkeys(words, "category"))
    train, test = base.split_indices(len(table))
    return {
        "x_train": table.iloc[train].reset_index(drop=True),
        "y_train": base.read_only(price[train]),
        "x_test": table.iloc[test].reset_index(drop=True),
        "y_test": base.read_only(price[test]),
        "feature_names": tuple(table.columns),
    }


def _sklearn_table(loader, **options):
    """One of scikit-learn's bundled tables; classification is split with equal class shares."""
    from sklearn import datasets

    table = getattr(datasets, loader)(**options)
    is_classes = "target_names" in table
    x = table.data.astype(np.float32)
    y = table.target.astype(np.int64 if is_classes else np.float32)
    parts = base.split_arrays(x, y, stratify=is_classes)
    return {**parts, "feature_names": tuple(str(name) for name in table.feature_names)}
