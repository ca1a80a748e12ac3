"""Published seals, all of them specimens of fictitious persons.

TR: worked examples of BSI TR-03137-1, version 2.5, annexes C to H. The certificate of F, G and H (DETS32) is
in the test resources of github.com/tsenger/vdstools. SEALGEN: samples of github.com/kurzdigital/vds-jvm, made
with the public generator Sealgen and signed by UTTS5B. In JSON: samples of that repository, two after the
worked examples of ICAO's report and a specimen of Australia's passport office, whose state certificate is in
github.com/australian-passport-office/vds-nc-reader-library-android.
"""

import json
from pathlib import Path

SAMPLES = Path(__file__).parent / "samples"
IDB: dict[str, str] = json.loads((SAMPLES / "idb.json").read_text())

TR = {
    "arrival attestation": bytes.fromhex(
        """dc026abc6d32c8a519fc0f71341145f4fd020230a5621353d9a275735bd4134bc549133c133c133c133c133ca32519a5
        19a4344a5e681ae7204b20d532cf4b7c133c133f030820d5201019a51aeaff404a1f218ca4392647ecff6c8abf9e796a
        78eebe0b1ac8cc25c4ee17eed961d1189091358d7d616f1a517abc747f6c4490ff159d4dcf50248b00b1e32e9e7805e7"""
    ),
    "social insurance card": bytes.fromhex(
        """dc026abc6d32c8a519fc0f7134116d04fc0401083fee456d2de019a8020b506572736368776569c39f03054f73636172
        04134ac3a2636f62c3a96e69646963747572697573ff40582ed05cb05049b4fe49744d5e70a1982f8b7afb1e90259ce4
        7ba9907efcf59483f0a0b421ec760d6fd2284bbac37e136f1e3be6e14a6f6bc012110cff919d0f"""
    ),
    "residence permit": bytes.fromhex(
        """dc036abc6d32c8a727390f71341145f4fb0602305cba135875976ec066d417b59e8c6abc133c133c133c133c3fef3a29
        38ee43f1593d1ae52dbb26751fe64b7c133c136b0306d79519a65306ff40158cf5b0bb7fbda099e8e7c94abefc9677b2
        e71e9885f5cd9057a8bfcf930a6046bcf897650af8f9b0343c034d2f64ce081f95fbf3d01292d1f8165ece27d327"""
    ),
    "visa": bytes.fromhex(
        """dc036abc6d32c8a72cb10f7134b798155d01022cdd52134a74da1347c6fed95cb89f9fce133c133c133c133c20383373
        4aaf47f0c32f1a1e20eb2625393afe310403a00000050633be1fed20c6ff38d5573247608c9b64cae022c1c5249660e5
        1ae316d600f974aac2129c3f093c35955314026304705cd24c1b8100711bd4411f068e8d93e8b7"""
    ),
    "address sticker": bytes.fromhex(
        """dc036abc6d32c8a72cb10f7135b79815f9080106cf3519af974c02061a70208519a10310395e26b3d9a275735bd4cd48
        5ca17176ff389101f305c9aa04d2ab00212c7cf65fefcaaf565a54538b2498d681a18839c92656526c40594b0b1da12a
        27f687a3501278dc4145b6e64afc"""
    ),
    "residence sticker": bytes.fromhex(
        """dc036abc6d32c8a72cb10f7135b79815f80a0106b77a38e596ce02061a203a4d1fe1030426532081ff381462bcfef51a
        d1b8d09de328b15c5435e64829ce548647dd579787169624a046738dc5023708319a4294811131eaac58d518cfe98b43
        1437"""
    ),
}

SEALGEN = {
    "arrival attestation": bytes.fromhex(
        """dc03d9c5d9cac8a73a990f71343d37f5fd020230a56213535bd4caecc87ca4ccaeb4133c133c133c133c133c3fef3a29
        38ee43f1593d1ae52dbb26751fe64b7c133c136b030859e9203833736d24ff40174536884cd9af5aca4acfdeb8c6cbbc
        946ef12dbecb9968b2a8732087f4a2c22abedd69f17cde26ba0d25b0b53f210bb01ea80a49298bba42254e1c00348fd1"""
    ),
    "emergency travel document": bytes.fromhex(
        """dc03d9c5d9cac8a73a990f71343d37f55e0302308a0d62b9d917a4cca93ca4d0edfc133c133c133c133c133c3fef3a29
        38ee43f1593d1ae52dbb26751fe64b7c133c136bff4058d66e94b7d0828d63bb182405856ee565a8264511170b1b5de0
        cf390b9d6873584b1fa943d78c0db198922272edd455fe894657c1e25c2896fcc9892da1dc56"""
    ),
    "address sticker": bytes.fromhex(
        """dc03d9c5d9cac8a73a990f7134125766f9080106cf3519af974c02061a70208519a1030e395e463e740c749fad19d31e
        fe32ff40319d8135518ffc92689ffae2b113a08f89653286074877bf196126b1e1cfc2c7244326168fb236f86d1f61c2
        0573fa37395245edf0e7d0886b01191e5afe045f"""
    ),
    "residence sticker": bytes.fromhex(
        """dc03d9c5d9cac8a73a990f7134125766f80a0106b77a38e596ce02061a203a4d1fe1030426532081ff407ab4ad728cb3
        5dc8dde27482f641dda16371d09deb7b574cab407e89485d4cb411860dfd7af43fecc55141d434c10d3c0a9ba7982d0a
        8867e14886e00c40a9f2"""
    ),
    "residence permit": bytes.fromhex(
        """dc03d9c5d9cac8a73a990f71343d37f5fb0602305cba135875976ec066d417b59e8c6abc133c133c133c133c3fef3a29
        38ee43f1593d1ae52dbb26751fe64b7c133c136b0306d79519a65306ff4023d1c6afab9e95c331384b1e6dbe9432c3d3
        6e68719da11d4e8213bb0649a85172246549a98a2df3d0720b0e13ffd161842ff0ad822d098caa4e2a77f2371931"""
    ),
    "social insurance card": bytes.fromhex(
        """dc03d9c5d9cac8a73a990f71343d37f5fc0401083fee456d2de019a8020b506572736368776569c39f03054f73636172
        04134ac3a2636f62c3a96e69646963747572697573ff407a9a2526ea3a3b380a0bf18fda615a9daaf57464bd845edb87
        60fd0cce08033c589ee31d9ed0d6a5557b34cf4411d61e88f8ff61d38dcb7c3c854c19297d1c74"""
    ),
}

# An emergency travel document with a template of a face: a definition that no standard has (5F03), 128 bytes
# in a length of one byte. From the same samples as SEALGEN, of another signer.
WITH_FACE = bytes.fromhex(
    """dc03d9c56d296ae819a61341c71341c75f0302308a1bd2c1a61283bc9436a93c133c133c133c133c133c133c3fef3a29
    38ee43f159921abe4cfb26c5262e51bc133c133d03805b9779636d855861a253a57b3555729056597e6a94677a834728
    616078525d6a4b6d678d7372a073506971b5a185796b9136a2919975874d6b9f4c8b7f686874b5954968a463797a5b3e
    2b94d1a64375617a928960736086927968ae7987768a5c6f5273886a76a34e8c7b6f7d7e4f578d328c9d839c9384905f
    476f8c6f8780ff404e98b3f6b39a880a3030868a36b8f813c9a019ff7674bd8b6d1d879e3a8dd1c3a742156f34267dfb
    f47f551ea2274024abc9167017906a0db24ff02b0fbd467a"""
)

# A certificate of registration (BSI TR-03171) from the tests of github.com/tsenger/vdstools (Apache-2.0): its
# reference has 40 characters, with the length in decimal.
ADMINISTRATIVE = bytes.fromhex(
    """dc036abc6d38dc0519a620372ce13372401c46ad535759e866926d2379bd19ce2678fe344e76094e760901c800109a42
    23406d374ef99e2cf95e31a23846040a4d75737465726d616e6e050344722e06054572696b610700080a31312e31322e
    3139363409104b6f6d6d616e64616e74656e7374722e0a0231380b0531303936390c064265726c696e0d083230323530
    3431340e01000f083230323530353034ff4006b9f31a1ff62283db32f21e77f1dc969c4319b96c52ba50442e8c0d251a
    044b9c8906e69bfc778bc0693021c1786d5075d8e5f1580b88eb4a7980250b905067"""
)


def nc(name: str) -> bytes:
    """Return a sample in JSON as the barcode has it."""
    return (SAMPLES / f"{name}.json").read_bytes().strip()


def certificate(name: str) -> bytes:
    """Return a sample certificate in PEM."""
    return (SAMPLES / f"{name}.pem").read_bytes()
