"""Timing of decoupled access-execute programs: access unit, queues, caches and core."""
