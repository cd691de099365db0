"""An operating system in small: tasks with queues of packets that a scheduler runs (after Richards)."""

import time


class Packet:
    def __init__(self, target, kind):
        self.target, self.kind, self.hops = target, kind, 0


class Task:
    def __init__(self, name, scheduler):
        self.name, self.scheduler, self.queue, self.held = name, scheduler, [], False
        scheduler.tasks.append(self)

    def run(self):
        raise NotImplementedError


class Device(Task):
    served = 0

    def run(self):
        packet = self.queue.pop()
        Device.served += 1
        packet.hops += 1
        self.scheduler.send(packet, (packet.target + packet.hops) % len(self.scheduler.tasks))


class Worker(Task):
    letter = 0

    def run(self):
        packet = self.queue.pop(0)
        for _ in range(4):
            self.letter = (self.letter + 1) % 26
        packet.kind = chr(65 + self.letter)
        packet.hops += 1
        self.held = packet.hops % 5 == 0
        self.scheduler.send(packet, packet.hops * 7 % len(self.scheduler.tasks))


class Scheduler:
    def __init__(self):
        self.tasks, self.turns, self.holds = [], 0, 0

    def send(self, packet, target):
        packet.target = target
        self.tasks[target].queue.append(packet)

    def run(self, turns):
        while self.turns < turns:
            for task in self.tasks:
                if task.held:
                    task.held = False
                    self.holds += 1
                elif task.queue:
                    task.run()
                self.turns += 1


def main(turns=1_000_000):
    scheduler = Scheduler()
    for number in range(6):
        (Device if number % 2 else Worker)(f"task-{number}", scheduler)
    for number in range(5):
        scheduler.send(Packet(number, "A"), number)
    scheduler.run(turns)
    return scheduler.turns, scheduler.holds, Device.served


if __name__ == "__main__":
    began = time.process_time()
    result = main()
    print(time.process_time() - began, result)
