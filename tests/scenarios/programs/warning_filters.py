"""Warning filters and the registry of what was already shown."""

import warnings

warnings.simplefilter("default")
warnings.filterwarnings("ignore", message="quiet.*")
warnings.filterwarnings("error", category=FutureWarning)


def complain(step):
    warnings.warn(f"loud {step // 100}", UserWarning)
    warnings.warn("quiet please")


caught = 0
for step in range(300):
    complain(step)
    try:
        warnings.warn("later", FutureWarning)
    except FutureWarning:
        caught += 1
    for _ in range(240_000):
        pass
print(caught, warnings.filters[0][0], warnings.filters[1][0])
