"""The kit's colours: the palette of Okabe and Ito, which colour-blind readers can tell apart."""

BLUE, RED, GREEN = "#0072B2", "#D55E00", "#009E73"
ORANGE, SKY, PURPLE, YELLOW = "#E69F00", "#56B4E9", "#CC79A7", "#F0E442"
GREY = "#999999"
SERIES = (BLUE, RED, GREEN, ORANGE, SKY, GREY)  # of the curves of one plot, in this order
ANGLES = {"pitch": BLUE, "yaw": RED, "roll": GREEN}
AXES = {"x": RED, "y": GREEN, "z": BLUE}
