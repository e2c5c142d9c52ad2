"""Every published number that results stand beside, with its source. All are of Sub-URMP."""

from dataclasses import dataclass

CHEN = "Chen et al. 2017"
CMCGAN = "Hao, Zhang, Guan 2018 (CMCGAN)"
SA_CMGAN = "SA-CMGAN 2020"


@dataclass(frozen=True)
class Published:
    """A number as it was printed, and where."""

    value: str
    source: str


PUBLISHED = {
    # Sound encoders with 3 and with 4 convolutions.
    "encoder/lms_3": Published("84.12 %", f"{CHEN}, Table 1"),
    "encoder/lms_4": Published("87.44 %", f"{CHEN}, Table 1"),
    "encoder/mfcc_3": Published("80.06 %", f"{CHEN}, Table 1"),
    "encoder/mfcc_4": Published("81.05 %", f"{CHEN}, Table 1"),
    "encoder/cqt_3": Published("73.00 %", f"{CHEN}, Table 1"),
    "encoder/cqt_4": Published("77.78 %", f"{CHEN}, Table 1"),
    "encoder/stft_3": Published("74.05 %", f"{CHEN}, Table 1"),
    "encoder/stft_4": Published("75.73 %", f"{CHEN}, Table 1"),
    "encoder/ms_3": Published("62.01 %", f"{CHEN}, Table 1"),
    "encoder/ms_4": Published("66.09 %", f"{CHEN}, Table 1"),
    # Generated pictures recognised.
    "s2i_c/train": Published("87.37 %", f"{CHEN}, Table 5"),
    "s2i_c/test": Published("75.56 %", f"{CHEN}, Table 5"),
    "s2i_a/train": Published("10.63 %", f"{CHEN}, Table 5"),
    "s2i_a/test": Published("10.95 %", f"{CHEN}, Table 5"),
    "s2i_n/train": Published("12.62 %", f"{CHEN}, Table 5"),
    "s2i_n/test": Published("12.32 %", f"{CHEN}, Table 5"),
    "s2i/cmcgan/train": Published("91.05 %", CMCGAN),
    "s2i/cmcgan/test": Published("76.61 %", CMCGAN),
    "s2i/sa_cmgan/train": Published("93.75 % (n = 64)", SA_CMGAN),
    "s2i/sa_cmgan/test": Published("84.38 % (n = 64)", SA_CMGAN),
    # Generated spectrograms recognised.
    "i2s/chen/test": Published("11.17 %", f"{CHEN}, as quoted in {CMCGAN}"),
    "i2s/cmcgan/train": Published("81.09 %", CMCGAN),
    "i2s/cmcgan/test": Published("51.89 %", CMCGAN),
    "i2s/sa_cmgan/train": Published("87.50 % (n = 64)", SA_CMGAN),
    "i2s/sa_cmgan/test": Published("59.37 % (n = 64)", SA_CMGAN),
}

CURVE_SOURCE = f"{CHEN}, Fig. 9, read off the drawing"
# Epoch, train and test accuracy.
CURVE = (
    (1, 0.32, 0.20),
    (5, 0.70, 0.58),
    (10, 0.81, 0.67),
    (15, 0.70, 0.64),
    (20, 0.85, 0.65),
    (25, 0.82, 0.72),
    (30, 0.76, 0.60),
    (35, 0.875, 0.755),
    (40, 0.63, 0.56),
    (45, 0.25, 0.25),
    (50, 0.07, 0.06),
    (55, 0.13, 0.25),
    (60, 0.18, 0.10),
    (65, 0.28, 0.25),
    (70, 0.26, 0.24),
    (75, 0.28, 0.25),
    (80, 0.21, 0.34),
)
