"""The headrace compiler."""
