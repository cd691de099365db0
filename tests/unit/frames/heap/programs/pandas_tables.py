import numpy as np
import pandas as pd


def make():
    table = pd.DataFrame({
        "a": np.arange(6), "b": list("uvwxyz"), "c": pd.date_range("2024-01-01", periods=6, tz="Europe/Berlin"),
        "d": pd.Categorical(list("aabbcc")), "e": pd.array([1, None, 3, 4, 5, 6], dtype="Int64"), "f": [1.5] * 6,
        "s": pd.array(list("abcdef"), dtype="string"),
    })
    table.attrs["note"] = [1]
    view, part = table["a"], table.iloc[2:5]
    nested = table.set_index(pd.MultiIndex.from_product([["x", "y"], [1, 2, 3]], names=["k", "n"]))
    grouped = table.groupby("d", observed=True)
    groups, rows, pairs = iter(grouped), table.itertuples(), table.iterrows()
    for each in (groups, rows, pairs):
        next(each)
    labels = pd.Index(["q", "r", "q"]), pd.Index(range(100, 120)), pd.Index([1.5, 2.5]), table.index, table["e"]
    asked = labels[0].get_loc("r"), labels[2].get_loc(2.5), labels[3].get_loc(3), nested.loc[("x", 2), "a"]
    assert asked[3] == 1
    others = (
        pd.arrays.SparseArray([0, 0, 1]), pd.interval_range(0, 3), pd.period_range("2024-01", periods=3, freq="M"),
        pd.Timestamp("2024-02-29 12:00", tz="UTC"), pd.Timedelta("1h"), pd.offsets.BusinessDay(3), pd.NA, pd.NaT,
    )
    masked = pd.Index(pd.array([1, None, 7], dtype="Int64")), pd.Index(pd.array(["q", "r"], dtype="string"))
    assert masked[0].get_loc(7) == 2 and masked[1].get_loc("r") == 1
    times = [pd.date_range("2024-01-01", periods=4, unit="ns"), pd.timedelta_range("1h", periods=4, unit="s")]
    times.append(others[2])
    times.append(times[0].tz_localize("UTC").as_unit("ms"))
    assert [each.get_loc(each[2]) for each in times] == [2, 2, 2, 2]
    rest = times, table["f"].rolling(2), table.T
    return table, view, part, nested, grouped, groups, rows, pairs, labels, others, masked, *rest


def check(made):
    table, view, part, nested, grouped, groups, rows, pairs, labels, others, masked, times, rolling, turned = made
    assert np.shares_memory(table["a"].values, view.values) and np.shares_memory(part["a"].values, table["a"].values)
    part.iloc[0, 0] = 99  # copied, since it shares: nobody else sees it
    assert list(part["a"]) == [99, 3, 4] and table["a"].tolist() == view.tolist() == [0, 1, 2, 3, 4, 5]
    assert nested.loc[("y", 2), "a"] == 4 and nested.index.names == ["k", "n"]
    assert [key for key, _ in groups] == ["b", "c"] and grouped["a"].sum().tolist() == [1, 5, 9]
    row, (number, series) = next(rows), next(pairs)
    assert (row.a, row.b, number, series["a"]) == (1, "v", 1, 1)
    words, numbers, floats, index, integers = labels
    assert words.get_loc("q").tolist() == [True, False, True] and numbers.get_loc(105) == 5
    assert floats.get_loc(1.5) == 0 and index is table.index and integers.isna().sum() == 1
    sparse, intervals, months, day, hour, business, missing, no_time = others
    assert list(sparse) == [0, 0, 1] and 1.5 in intervals[1] and str(months[1]) == "2024-02"
    assert day + hour == pd.Timestamp("2024-02-29 13:00", tz="UTC") and (day + business).day == 5
    assert missing is pd.NA and no_time is pd.NaT and rolling.sum().iloc[1] == 3 and turned.shape == (7, 6)
    assert [masked[0].get_loc(1), masked[1].get_loc("q")] == [0, 0]
    assert [each.get_loc(each[1]) for each in times] == [1, 1, 1, 1]
    assert table.attrs == {"note": [1]} and table["s"].str.upper()[0] == "A"
    assert str(table["c"].dt.tz) == "Europe/Berlin"
    table["new"] = 1
    table.index = list("abcdef")
    assert table.loc["c", "new"] == 1 and table["d"].cat.categories.tolist() == ["a", "b", "c"]
