"""Reward models out of preference pairs: the recipe, how chats become tokens, the objective, the trainer, the export.

Only the modules that need torch import it, and nothing imports them before training starts.
"""
