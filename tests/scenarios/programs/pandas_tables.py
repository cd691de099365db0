"""Tables of pandas: grown row by row, grouped, in loops over groups and rows."""

import numpy as np
import pandas as pd

table = pd.DataFrame({"step": np.arange(60), "kind": pd.Categorical(list("abc") * 20), "x": np.linspace(0, 1, 60)})
table.index = pd.date_range("2024-01-01", periods=60, freq="h", tz="UTC")
half = table["x"].iloc[::2]
total, seen = 0.0, []
for round in range(3):
    for kind, group in table.groupby("kind", observed=True):
        for row in group.itertuples():
            total += row.x
            seen.append(table.index.get_loc(row.Index))
            for _ in range(2_000_000):
                pass
    table[f"round {round}"] = total
print(total, len(seen), sum(seen), np.shares_memory(half.values, table["x"].values))
print(table.groupby("kind", observed=True)["x"].sum().round(6).to_dict(), table.columns.tolist())
print(table.resample("D")["x"].mean().round(6).tolist(), half.index.tz)
