//! Event streams: the same events for every cut, and every byte accounted for.
