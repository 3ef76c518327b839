"""A run in a file: its raw batches, readings and account, to be given to sinks again without a kernel.

:mod:`.chunks` is the file's form, :mod:`.contents` what stands in the chunks, :mod:`.recorder` the sink that writes one,
:mod:`.reader` reads it back, :mod:`.replay` gives it to sinks. docs/recording.md describes the format for others.
"""
