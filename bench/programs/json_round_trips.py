"""json out and in, with indentation (pure Python) and without (C)."""

import json
import time


def main(rounds=2700):
    data = {"numbers": list(range(100)), "text": "żółw " * 20, "deep": {"a": [{"b": None}, True, 1.5] * 10}}
    total = 0
    for number in range(rounds):
        data["round"] = number
        total += len(json.dumps(data, indent=1)) + len(json.loads(json.dumps(data))["deep"]["a"])
    return total


if __name__ == "__main__":
    began = time.process_time()
    result = main()
    print(time.process_time() - began, result)
