"""The decimal context: precision, rounding, traps, a local context entered and not yet left."""

import decimal
from decimal import Decimal

decimal.getcontext().prec = 40
decimal.getcontext().traps[decimal.Inexact] = False
total = Decimal(1)
with decimal.localcontext() as ctx:
    ctx.prec = 17
    ctx.rounding = decimal.ROUND_CEILING
    for step in range(1, 300):
        total = total / Decimal(3) + Decimal(step) / Decimal(7)
        for _ in range(240_000):
            pass
    print(total, decimal.getcontext().prec, decimal.getcontext().flags[decimal.Inexact])
print(Decimal(1) / Decimal(7), decimal.getcontext().prec, decimal.getcontext().rounding)
try:
    Decimal(1) / Decimal(0)
except decimal.DivisionByZero as why:
    print("trapped", type(why).__name__)
