"""How rows of upstream data sets become ours: one mapper a file, found by name, shared by the recipes that name it.

A mapper is a frozen dataclass of settings, `MAPPER`, and one pure function. With `writes` it makes rows of that schema
(see `rows.RowMapper`); with `adds` it only gives further values of a row, which a recipe's fields may then name.
"""
