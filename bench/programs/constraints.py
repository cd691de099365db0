"""One-way constraints in a graph of variables that is planned anew as inputs change (after DeltaBlue)."""

import itertools
import time


class Variable:
    def __init__(self, value):
        self.value, self.constraints, self.walked = value, [], 0


class Scale:
    def __init__(self, source, target, factor, offset):
        self.source, self.target, self.factor, self.offset = source, target, factor, offset
        source.constraints.append(self)

    def execute(self):
        self.target.value = (self.source.value * self.factor.value + self.offset.value) % 1_000_003


class Planner:
    mark = 0

    def plan(self, start):
        self.mark += 1
        todo, order = [start], []
        while todo:
            variable = todo.pop()
            if variable.walked == self.mark:
                continue
            variable.walked = self.mark
            for constraint in variable.constraints:
                order.append(constraint)
                todo.append(constraint.target)
        return order


def main(rounds=4500):
    factor, offset = Variable(3), Variable(7)
    chain = [Variable(number) for number in range(400)]
    for here, there in itertools.pairwise(chain):
        Scale(here, there, factor, offset)
    for number in range(0, 390, 13):
        Scale(chain[number], chain[number + 9], offset, factor)
    planner, total = Planner(), 0
    for number in range(rounds):
        chain[0].value = number
        for constraint in planner.plan(chain[0]):
            constraint.execute()
        total += chain[-1].value
    return total


if __name__ == "__main__":
    began = time.process_time()
    result = main()
    print(time.process_time() - began, result)
