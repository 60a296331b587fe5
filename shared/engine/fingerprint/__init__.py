"""What a sync remembers of its destination's rows, so that a run without changes reads none of them.

    fingerprint.parquet   one row per destination row: id UUID, kh and rh UBIGINT as in `present` (see `reconcile`), and
                          filled0, filled1 … UBIGINT: one bit per compared column that holds a value

It holds no value of any column. It is made of a whole read, kept with a job, and brought up to date by change tracking;
what is about to be written, and a sample, is read first, and when a row is not as it is remembered, all are read again.
"""
