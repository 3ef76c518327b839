"""ebpfrun: loads what ebpfgen built and hands typed events and metrics to sinks. The command is in :mod:`ebpfrun.cli`."""

__version__ = "0.1.0"
