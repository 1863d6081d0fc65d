"""What people look at: progress, funnels, pairs as diffs, and the history of one row."""
