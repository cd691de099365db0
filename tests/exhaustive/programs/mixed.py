"""A small interpreter with a scheduler: what real programs mix. Ends with SystemExit."""

import collections
import dataclasses
import re
import sys


@dataclasses.dataclass(order=True)
class Token:
    kind: str
    text: str
    line: int = 0


class Lexer:
    pattern = re.compile(r"\s*(?:(\d+)|(\w+)|(.))")

    def __init__(self, text):
        self.text = text

    def __iter__(self):
        position = 0
        while match := self.pattern.match(self.text, position):
            position = match.end()
            number, word, symbol = match.groups()
            if number:
                yield Token("number", number)
            elif word:
                yield Token("word", word)
            elif symbol.strip():
                yield Token("symbol", symbol)


class Parser:
    def __init__(self, text):
        self.tokens = iter(Lexer(text))
        self.token = next(self.tokens, None)

    def advance(self):
        token, self.token = self.token, next(self.tokens, None)
        return token

    def expression(self, level=0):
        operators = [{"+", "-"}, {"*", "/"}]
        if level == len(operators):
            return self.atom()
        left = self.expression(level + 1)
        while self.token and self.token.text in operators[level]:
            left = (self.advance().text, left, self.expression(level + 1))
        return left

    def atom(self):
        token = self.advance()
        if token is None:
            raise SyntaxError("unexpected end")
        if token.text == "(":
            inside = self.expression()
            self.advance()
            return inside
        return int(token.text) if token.kind == "number" else token.text


class Machine:
    def __init__(self):
        self.names = collections.ChainMap({"x": 4}, {"y": 5})
        self.calls = collections.Counter()

    def run(self, node):
        match node:
            case int():
                return node
            case str():
                self.calls[node] += 1
                return self.names[node]
            case (op, left, right):
                return getattr(self, {"+": "add", "-": "sub", "*": "mul", "/": "div"}[op])(left, right)

    def add(self, left, right):
        return self.run(left) + self.run(right)

    def sub(self, left, right):
        return self.run(left) - self.run(right)

    def mul(self, left, right):
        return self.run(left) * self.run(right)

    def div(self, left, right):
        try:
            return self.run(left) // self.run(right)
        except ZeroDivisionError as error:
            error.add_note(str(right))
            return 0


class Scheduler:
    def __init__(self):
        self.ready = collections.deque()
        self.log = []

    def spawn(self, name, task):
        self.ready.append((name, task))

    def run(self):
        while self.ready:
            name, task = self.ready.popleft()
            try:
                result = task.send(None)
            except StopIteration as stop:
                self.log.append((name, stop.value))
            else:
                print(name, result)
                self.ready.append((name, task))


def job(machine, text):
    tree = Parser(text).expression()
    yield tree
    value = machine.run(tree)
    yield value
    return value * 2


machine, scheduler = Machine(), Scheduler()
for name, text in {"a": "1+2*x", "b": "(y-1)/(x-4)"}.items():
    scheduler.spawn(name, job(machine, text))
scheduler.run()
print(scheduler.log, sorted(machine.calls.items()))
try:
    Parser("1+").expression()
except SyntaxError as error:
    print("syntax", error)


def sieve(limit):
    marks = bytearray(limit)
    for n in range(2, limit):
        if not marks[n]:
            yield n
            for multiple in range(n * n, limit, n):
                marks[multiple] = 1


print(*sieve(12), Token("a", "b") < Token("b", "a"), Token("a", "b"))
words = collections.defaultdict(list)
for word in "the quick the lazy the dog".split():
    words[len(word)].append(word.upper())
print(dict(words), {k: set(v) == set(v) for k, v in words.items()})
sys.exit(len(words))
