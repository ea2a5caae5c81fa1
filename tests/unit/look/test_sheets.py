import io

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from PIL import Image

from digitflow.look import sheets

IMAGES = npst.arrays(
    np.uint8,
    st.one_of(
        st.tuples(st.integers(1, 9), st.integers(1, 5), st.integers(1, 5)),
        st.tuples(st.integers(1, 9), st.integers(1, 5), st.integers(1, 5), st.sampled_from([1, 3, 4])),
    ),
)


@given(IMAGES, st.integers(1, 12))
def test_each_image_lies_in_its_cell_and_the_rest_is_black(images, columns):
    sheet = sheets.arrange(images, columns)
    height, width = images.shape[1:3]
    across = sheet.shape[1] // width
    for place, image in enumerate(images):
        y, x = divmod(place, across)
        assert np.array_equal(sheet[y * height :, x * width :][:height, :width], image)
    assert sheet.astype(int).sum() == images.astype(int).sum()


@given(IMAGES)
def test_a_sheet_is_a_png_file_of_exactly_these_pixels(images):
    sheet = sheets.arrange(images, 3)
    data = sheets.encode_sheet(sheet)
    found = np.asarray(Image.open(io.BytesIO(data)))
    assert np.array_equal(found.reshape(sheet.shape), sheet)
    assert sheets.encode_sheet(sheet.copy()) == data


def test_a_sheet_has_as_many_images_as_its_side_allows():
    assert sheets.columns_and_rows(20, 28) == (36, 51)
    assert sheets.columns_and_rows(2000, 2000) == (1, 1)


def test_a_sheet_is_written_with_rows_of_so_many_images(digits, tmp_path):
    name = sheets.write(tmp_path, "all", digits[0][:1000], 292)
    assert Image.open(tmp_path / name).size == (292 * 28, 4 * 28)
