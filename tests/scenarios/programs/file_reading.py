"""Files being read: binary and text, at odd positions, through several handles, one by os.open."""

import os

with open("data", "wb") as made:
    made.write(bytes(range(256)) * 400)
with open("words", "w", encoding="utf-8") as made:
    made.write("żółw – 亀\n" * 4000)

print("made", flush=True)
total = 0
first, second = open("data", "rb"), open("data", "rb", buffering=0)
words = open("words", encoding="utf-8")
raw = os.open("data", os.O_RDONLY)
os.lseek(raw, 1000, os.SEEK_SET)
text = ""
for step in range(300):
    total += sum(first.read(7)) + second.read(3)[-1] + os.read(raw, 5)[0]
    text = words.read(11)
    for _ in range(240_000):
        pass
print(total, first.tell(), second.tell(), os.lseek(raw, 0, os.SEEK_CUR), text, words.tell())
print(words.readline(), first.name, first.mode, words.encoding)
