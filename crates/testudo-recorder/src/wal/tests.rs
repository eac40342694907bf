//! What a segment gives back after every kind of damage.
