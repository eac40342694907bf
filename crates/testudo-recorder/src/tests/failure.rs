//! Disks that are full or broken for a while: errors while it lasts, a gap afterwards, nothing acknowledged lost.
