"""Pictures and explorer of project 3: prices on a map, model against model, and a house with its price band."""

import matplotlib.pyplot as plt
import numpy as np

from utils import plot

CONDITIONS = (
    "Very_Poor", "Poor", "Fair", "Below_Average", "Average", "Above_Average", "Good", "Very_Good", "Excellent",
)  # fmt: skip
AREAS = np.linspace(600, 3200, 27)  # square feet above ground, the axis of the picture
GARAGE = ("Garage_Type", "Garage_Finish", "Garage_Cond")


def typical_house(houses, neighbourhood):
    """The typical house of a neighbourhood: medians of the numbers, most frequent words -> DataFrame of one row.

    houses: DataFrame with a column `Neighborhood`. Raises ValueError if nothing was sold there.
    """
    sold = houses[houses["Neighborhood"] == neighbourhood]
    if sold.empty:
        raise ValueError(f"no house of the table lies in {neighbourhood!r}")
    house = sold.iloc[[0]].copy()
    for column in sold:
        numeric = sold[column].dtype.kind in "fi"
        house[column] = house[column].astype(float) if numeric else house[column]
        house.loc[:, column] = sold[column].median() if numeric else sold[column].mode()[0]
    return house.reset_index(drop=True)


def remodel(house, area, condition, year, cars):
    """The same house (DataFrame of one row) with other size, condition, age and garage.

    What hangs together moves along: both floors grow in proportion, a garage of 0 cars has no area and no type, and
    a house is not renewed before it is built. Raises ValueError for an area that is not positive or fewer than 0 cars.
    """
    if area <= 0 or cars < 0:
        raise ValueError(f"the area must be positive and the cars at least 0, got {area} and {cars}")
    new = house.copy()
    grow = area / float(house["Gr_Liv_Area"].iloc[0])
    values = {
        "Gr_Liv_Area": area,
        "First_Flr_SF": float(house["First_Flr_SF"].iloc[0]) * grow,
        "Second_Flr_SF": float(house["Second_Flr_SF"].iloc[0]) * grow,
        "Year_Built": year,
        "Year_Remod_Add": max(year, float(house["Year_Remod_Add"].iloc[0])),
        "Garage_Cars": cars,
        "Garage_Area": 240.0 * cars,
        "Overall_Cond": condition,
    }
    had_garage = str(house["Garage_Type"].iloc[0]) != "No_Garage"
    if cars == 0:
        values |= dict.fromkeys(GARAGE, "No_Garage")
    elif not had_garage:
        values |= dict(zip(GARAGE, ("Detchd", "Unf", "Typical"), strict=True))
    for column, value in values.items():
        new.loc[:, column] = value
    return new


def draw_price(
    appraise, houses, prices, neighbourhood, living_area=1500, condition="Average", year_built=1970, garage_cars=2
):
    """Price of one house with its band, on the curve of the same house at other sizes -> (Figure, sentence).

    appraise: function (DataFrame of N houses) -> log prices (N,), half widths of the band in logarithms (N,);
    houses: sold houses, DataFrame; prices: what they sold for in USD (N,).
    """
    import pandas as pd

    base = typical_house(houses, neighbourhood)
    areas = [*AREAS, living_area]
    table = pd.concat([remodel(base, area, condition, year_built, garage_cars) for area in areas], ignore_index=True)
    log_price, half = (np.asarray(part, float) for part in appraise(table))
    low, middle, high = (np.exp(log_price + side * half) / 1000 for side in (-1, 0, 1))
    there = (houses["Neighborhood"] == neighbourhood).to_numpy()
    ax = _one()
    ax.scatter(houses["Gr_Liv_Area"][there], np.asarray(prices)[there] / 1000, s=12, color="0.6", label="sold there")
    ax.fill_between(AREAS, low[:-1], high[:-1], color=plot.SKY, alpha=0.35, label="90 % band")
    ax.plot(AREAS, middle[:-1], color=plot.BLUE, label="this house at other sizes")
    bars = [[middle[-1] - low[-1]], [high[-1] - middle[-1]]]
    ax.errorbar([living_area], middle[-1:], bars, color=plot.RED, marker="D", ms=8, capsize=5, lw=2, label="this house")
    name = neighbourhood.replace("_", " ")
    ax.set(
        xlabel="living area (square feet)", ylabel="price (1,000 USD)", xlim=(500, 3300), ylim=(0, 1.15 * high.max())
    )
    ax.set_title(f"{name}: {middle[-1]:,.0f},000 USD, between {low[-1]:,.0f},000 and {high[-1]:,.0f},000", fontsize=11)
    ax.legend(fontsize=9, loc="upper left")
    return ax.figure, (
        f"Price of a house in {name}, {living_area:,.0f} square feet, condition {condition.replace('_', ' ')}, built "
        f"{year_built:.0f}, {garage_cars} cars: {middle[-1]:,.0f},000 USD, 90 % band {low[-1]:,.0f},000 to "
        f"{high[-1]:,.0f},000. {there.sum()} houses were sold there."
    )


def _one():
    """One axis with fixed margins: computing the layout would double the time of a redraw."""
    figure, ax = plt.subplots(figsize=(7, 4), layout="none")
    figure.subplots_adjust(left=0.1, right=0.99, bottom=0.13, top=0.92)
    return ax


def draw_map(ax, longitude, latitude, values, label, size=8, **colours):
    """Values of houses as colours on a map -> Axes. One degree of longitude is 0.74 degrees of latitude in Ames."""
    points = ax.scatter(longitude, latitude, c=values, s=size, **colours)
    ax.set(xlabel="longitude (degrees)", ylabel="latitude (degrees)", aspect=1 / np.cos(np.radians(42.03)))
    ax.ticklabel_format(useOffset=False)
    ax.figure.colorbar(points, ax=ax, label=label, shrink=0.85)
    return ax


def draw_scores(ax, scores, floor=None):
    """One row a model: a score for each fold as a dot, their mean as a bar -> Axes. scores: {name: (folds,)}."""
    for row, (name, values) in enumerate(scores.items()):
        colour, _, marker = plot.FRAMEWORKS.get(name.split()[-1], (plot.COLOURS[2], "", "D"))
        ax.scatter(values, [row] * len(values), s=26, color=colour, marker=marker, alpha=0.6)
        ax.plot([np.mean(values)] * 2, [row - 0.32, row + 0.32], color="black", linestyle="-", lw=2)
    if floor is not None:
        ax.axvline(floor, color="0.5", linestyle=":", lw=1.5)
    ax.set_yticks(range(len(scores)), scores)
    ax.invert_yaxis()
    return ax
