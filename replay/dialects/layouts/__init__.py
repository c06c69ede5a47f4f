"""The layouts of answers that are known, a model API or protocol each: how it is asked, answered and read."""
