import fleet


class Ship:
    built = 0
    names = []

    def __init__(self, name):
        type(self).built += 1
        self.name = name
        self.names.append(name)

    def sail(self):
        fleet.log.append((self.name, fleet.limits["speed"]))
        return len(fleet.log)
