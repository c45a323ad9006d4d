"""Synthetic breast ultrasound, and a few synthetic MRI slices, for demonstration and tests, marked as synthetic.

No phantom holds any patient's pixels; grey levels and grain were set by hand to lie where real frames have them, so a
score on phantoms shows that the software works and says nothing about accuracy on patients. The physics is the
textbook's: speckle as the coherent sum of many sub-resolution scatterers seen through a separable point-spread
function, envelope detection, and logarithmic compression; for MRI, the signal equations of each sequence over shares
of tissue, and Rician noise. The ultrasound classes overlap on purpose: some benign phantoms are irregular, some
malignant ones oval. MRI phantoms have no class: grade and nodal status cannot be designed into a picture.
"""

from mmxai_core.phantom.build import Phantom, make_phantom, make_phantoms
from mmxai_core.phantom.cases import draw_clinical, draw_spec
from mmxai_core.phantom.colour_object import colour_dataset, colour_dicom
from mmxai_core.phantom.dicom_object import phantom_dataset, phantom_dicom
from mmxai_core.phantom.mri_picture import MriPicture
from mmxai_core.phantom.mri_samples import MRI_SAMPLES, MriSample
from mmxai_core.phantom.samples import SAMPLES, Sample, write_samples
from mmxai_core.phantom.spec import PhantomSpec

__all__ = [
    "MRI_SAMPLES",
    "SAMPLES",
    "MriPicture",
    "MriSample",
    "Phantom",
    "PhantomSpec",
    "Sample",
    "colour_dataset",
    "colour_dicom",
    "draw_clinical",
    "draw_spec",
    "make_phantom",
    "make_phantoms",
    "phantom_dataset",
    "phantom_dicom",
    "write_samples",
]
