//! What another process costs, read from the kernel's process files.
