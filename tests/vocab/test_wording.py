from vocab.wording import counted


def test_one_is_singular_and_all_else_is_not():
    assert [counted(number, "image") for number in (0, 1, 2, 1024)] == [
        "0 images",
        "1 image",
        "2 images",
        "1,024 images",
    ]
