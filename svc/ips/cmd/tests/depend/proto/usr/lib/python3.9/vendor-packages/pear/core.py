ripe = 1
