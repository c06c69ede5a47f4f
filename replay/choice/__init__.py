"""The choice of a plane: each plane's figures, the rules over them, what they decide, and how it is said."""
