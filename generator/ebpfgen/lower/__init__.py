"""Lowering: typed programs in, lines of C out.

Expressions become C text; what can't be said in one expression becomes lines before it. One function is written by one object
whose class is layered, one module for each layer; :mod:`~ebpfgen.lower.writer` is the lowest and names them. Nothing of the
spec's text is pasted: names were checked to be identifiers, and literals go through :mod:`~ebpfgen.lower.ctext`.
"""
