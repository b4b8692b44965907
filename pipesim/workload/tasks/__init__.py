"""What tasks are: what they ask for, how long they take, how their attempts end, and the data that they read."""
