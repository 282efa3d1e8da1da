"""What params.yaml, or one of its tables, will cost, before anything is spent: FLOP, time on this device, peak memory.

    udd estimate --table policy --device cuda

sizes        how many images of which shape a data set has, without its raw data
steps        one step of each kind, to be counted, timed and followed alone
flops        the operations of a step, counted on tensors without memory
memory       the peak of the bytes that live during a step, followed on the same
calibration  the seconds that a step takes here, measured once and kept
schedule     how many steps of which kind a training, a search, a distillation takes
workload     params.yaml -> the jobs, and the steps of each
costs        the jobs priced and added up
own          a set of one's own data
keeping      what was measured of a method's steps, kept
report       the table, or JSON
"""
