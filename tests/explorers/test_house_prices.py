"""Pictures of project 3: what hangs together moves together, the band is the one given, and they redraw fast."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from explorers import house_prices as pictures
from utils import data, plot, widgets

pytestmark = pytest.mark.usefixtures("style")

AMES = data.load("ames")
HOUSES, PRICES = AMES.x_train, AMES.y_train


def appraise(table):
    """Log prices that rise by 0.0004 a square foot and 0.1 a car; a band of ±0.2."""
    log_price = 11.2 + 0.0004 * table["Gr_Liv_Area"].to_numpy() + 0.1 * table["Garage_Cars"].to_numpy()
    return log_price, np.full(len(table), 0.2)


def draw(neighbourhood="North_Ames", **values):
    return pictures.draw_price(appraise, HOUSES, PRICES, neighbourhood, **values)


@pytest.mark.parametrize("neighbourhood", ["North_Ames", "Old_Town", "Stone_Brook", "Green_Hills"])
@pytest.mark.parametrize("cars", [0, 3])
def test_every_picture_has_a_sentence_that_serves_as_alt_text(neighbourhood, cars):
    figure, sentence = draw(neighbourhood, living_area=900, condition="Very_Good", year_built=1925, garage_cars=cars)
    assert len(sentence) >= plot.MIN_ALT and sentence.endswith(".") and isinstance(figure, plt.Figure)
    for words in (neighbourhood.replace("_", " "), "900 square feet", "Very Good", "1925", f"{cars} cars"):
        assert words in sentence
    plt.close(figure)


def test_price_and_band_are_those_of_the_appraiser():
    middle = np.exp(11.2 + 0.0004 * 1500 + 0.2) / 1000
    figure, sentence = draw()
    for value in (middle, middle * np.exp(-0.2), middle * np.exp(0.2)):
        assert f"{value:,.0f},000" in sentence
    ax = figure.axes[0]
    curve = next(line for line in ax.lines if line.get_label() == "this house at other sizes")
    right = np.exp(11.2 + 0.0004 * pictures.AREAS + 0.2) / 1000
    assert np.allclose(curve.get_xdata(), pictures.AREAS) and np.allclose(curve.get_ydata(), right)
    assert f"{(HOUSES['Neighborhood'] == 'North_Ames').sum()} houses" in sentence
    plt.close(figure)


def test_the_typical_house_is_made_of_medians_and_frequent_words():
    house = pictures.typical_house(HOUSES, "Old_Town")
    sold = HOUSES[HOUSES["Neighborhood"] == "Old_Town"]
    assert len(house) == 1 and list(house) == list(HOUSES) and house["Neighborhood"].iloc[0] == "Old_Town"
    assert house["Gr_Liv_Area"].iloc[0] == sold["Gr_Liv_Area"].median()
    assert house["Latitude"].iloc[0] == sold["Latitude"].median()
    assert house["Foundation"].iloc[0] == sold["Foundation"].mode()[0]
    assert (house.select_dtypes("category").columns == HOUSES.select_dtypes("category").columns).all()


def test_what_hangs_together_moves_together():
    house = pictures.typical_house(HOUSES, "Gilbert")
    assert house["Second_Flr_SF"].iloc[0] > 0 and house["Garage_Type"].iloc[0] != "No_Garage"
    new = pictures.remodel(house, 2 * house["Gr_Liv_Area"].iloc[0], "Good", 2010, 0)
    for column in ("First_Flr_SF", "Second_Flr_SF"):
        assert new[column].iloc[0] == pytest.approx(2 * house[column].iloc[0])
    assert new["Year_Remod_Add"].iloc[0] == 2010 and new["Overall_Cond"].iloc[0] == "Good"
    assert new["Garage_Area"].iloc[0] == 0 and all(new[c].iloc[0] == "No_Garage" for c in pictures.GARAGE)
    again = pictures.remodel(new, 1000, "Good", 1950, 2)
    assert again["Garage_Area"].iloc[0] == 480 and all(again[c].iloc[0] != "No_Garage" for c in pictures.GARAGE)
    assert again["Year_Remod_Add"].iloc[0] == 2010 and house["Garage_Cars"].iloc[0] == 2  # the first one is untouched


def test_conditions_are_the_words_of_the_table():
    assert set(pictures.CONDITIONS) >= set(HOUSES["Overall_Cond"].cat.categories)


def test_wrong_input_is_refused():
    with pytest.raises(ValueError, match="no house"):
        pictures.typical_house(HOUSES, "Atlantis")
    house = pictures.typical_house(HOUSES, "Edwards")
    with pytest.raises(ValueError, match="positive"):
        pictures.remodel(house, 0, "Good", 1990, 1)
    with pytest.raises(ValueError, match="at least 0"):
        pictures.remodel(house, 1000, "Good", 1990, -1)


def test_map_and_scores_are_drawn():
    ax = pictures.draw_map(plt.subplots()[1], [-93.6, -93.7], [42.0, 42.1], [1.0, 2.0], "price", cmap="viridis")
    assert len(ax.collections[0].get_offsets()) == 2 and len(ax.figure.axes) == 2  # map and colour bar
    ax = pictures.draw_scores(
        plt.subplots()[1], {"ridge": np.array([0.8, 0.9]), "MLP Keras": np.array([0.7, 0.8])}, 0.87
    )
    assert [text.get_text() for text in ax.get_yticklabels()] == ["ridge", "MLP Keras"]
    assert [line.get_xdata()[0] for line in ax.lines] == pytest.approx([0.85, 0.75, 0.87])


def test_the_explorer_follows_every_control():
    box = widgets.explore(
        pictures.draw_price,
        appraise,
        HOUSES,
        PRICES,
        neighbourhood=["North_Ames", "Gilbert"],
        living_area=(700, 3000, 50, 1500),
        condition=["Average", "Good"],
        year_built=(1900, 2010, 5, 1970),
        garage_cars=(0, 3, 1, 2),
    )
    seen = [box.sentence.value]
    for name, value, words in (
        ("neighbourhood", "Gilbert", "Gilbert"),
        ("living_area", 2000, "2,000 square feet"),
        ("condition", "Good", "condition Good"),
        ("year_built", 1930, "built 1930"),
        ("garage_cars", 0, "0 cars"),
    ):
        box.inputs[name].value = value
        assert words in box.sentence.value and box.sentence.value not in seen and "alert" not in box.sentence.value
        seen.append(box.sentence.value)
