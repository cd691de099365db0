"""An interval timer that goes on ticking; the program ends after a number of ticks, not after a time."""

import signal

ticks = 0


def tick(number, frame):
    global ticks
    ticks += 1


signal.signal(signal.SIGALRM, tick)
signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
work = 0
while ticks < 120:
    work += 1
left, interval = signal.setitimer(signal.ITIMER_REAL, 0)
print(ticks, work > 0, 0 < left <= 0.02, round(interval, 3))
