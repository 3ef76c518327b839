"""ebpfgen: turns a YAML spec into an eBPF tracer. The command is in :mod:`ebpfgen.cli`."""

__version__ = "0.1.0"
