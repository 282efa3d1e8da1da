"""The loop around any method: checkpoint, resume, log, time limit, device, memory, provenance."""
