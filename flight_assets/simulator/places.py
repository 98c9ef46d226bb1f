"""The airports of the simulated world: where they are and how much flies there."""

from dataclasses import dataclass
from functools import cache

import airportsdata
import numpy as np
from numpy.typing import NDArray

from flight_assets.core.geo import EARTH_RADIUS_KM

Floats = NDArray[np.float64]

# Airports by how much flies there: each tier weighs about three times the next.
_TIERS = (
    """ATL DFW DEN ORD LAX CLT LAS PHX MCO SEA MIA IAH JFK EWR SFO DTW BOS MSP IST LHR CDG AMS FRA
    MAD BCN FCO MUC LGW DXB DOH JED DEL BOM BLR PEK PKX PVG SHA CAN SZX CTU TFU KMG XIY CKG HKG TPE
    HND NRT ICN SIN BKK KUL CGK MNL SGN SYD MEL GRU MEX BOG YYZ""",
    """PHL LGA BWI SLC DCA IAD SAN TPA MDW FLL BNA AUS HOU PDX STL RDU SMF MCI SJC OAK SNA CLE
    PIT CVG CMH IND SAT MKE JAX BDL ANC DAL HNL OGG SJU MSY ABQ BUR ONT OMA RSW MEM SDF YVR YYC YUL
    YEG YOW CUN GDL MTY TIJ PTY LIM SCL AEP EZE BSB CGH GIG VCP CNF POA SSA REC FOR CWB MDE CLO CTG
    LIS OPO ORY PMI AGP ALC VLC LIN MXP BGY NAP CTA VCE BLQ ATH SKG ZRH GVA VIE CPH ARN OSL HEL DUB
    MAN STN LTN EDI BHX GLA BRS WAW KRK BUD PRG OTP SOF BEG BRU CRL DUS HAM BER STR CGN NCE LYS MRS
    TLS BOD NTE SAW AYT ADB ESB SVO DME VKO LED TLV CAI JNB CPT NBO ADD LOS CMN ALG TUN RUH DMM KWI
    AUH SHJ BAH MCT AMM BEY IKA THR BGW HYD MAA CCU COK AMD PNQ GOI CMB DAC KHI LHE ISB KTM HGH NKG
    WUH CSX CGO TAO XMN HAK SYX URC TSN DLC SHE HRB KWE NNG FOC TNA CTS FUK OKA ITM KIX NGO GMP CJU
    PUS KHH DMK HKT CNX HAN DAD DPS SUB UPG KNO CEB PEN BKI BNE PER ADL OOL CNS AKL CHC WLG ALA TAS
    NQZ""",
    """BUF ROC SYR ALB PVD ORF RIC GSO GSP CHS SAV PBI BHM HSV TYS CHA LIT OKC TUL ICT DSM GRR MSN
    FSD FAR BIS BOI GEG RNO PSP SBA FAT ELP TUS LBB MAF CRP XNA JAN MOB PNS ECP DAY FWA SBN CID MLI
    BZN JAC MSO BIL COS GJT ASE EGE FAI JNU KOA LIH YHZ YWG YQB YYJ YLW YXE YQR YYT MID BJX SJD
    PVR HMO CUU VER OAX ACA SAL SJO GUA MBJ NAS SDQ PUJ AUA CUR BGI POS UIO GYE CUZ AQP VVI LPB ASU
    MVD COR MDZ IGU BRC PMC CCP ANF BEL MAO NAT MCZ VIX FLN GYN CGB BAQ PEI BGA CCS FAO FNC PDL LPA
    TFS TFN ACE FUE IBZ SVQ BIO SCQ OVD ZAZ MAH OLB CAG PSA FLR TRN VRN TRS BRI BDS PMO SUF HER RHO
    CFU KGS JTR JMK CHQ ZAG SPU DBV LJU SJJ TIA SKP TGD TIV BGO TRD SVG TOS BOO GOT MMX LLA UME OUL
    RVN TKU TLL RIX VNO GDN WRO POZ KTW CLJ IAS TSR VAR BOJ RMO BLL AAL RTM EIN LUX HAJ LEJ NUE
    BRE DRS FMM SZG GRZ INN BSL BIA AJA BES RNS LIL SXB MPL ABZ NCL LBA LPL EMA BFS BHD INV CWL SNN
    ORK KEF ADA TZX GZT DLM BJV ASR VAN KZN SVX UFA KUF ROV KRR AER MRV OVB KJA IKT KHV VVO TJM EVN
    TBS GYD SKD BHK BSZ OSS DYU GZP HRG SSH LXR TIP RAK AGA FEZ DKR ABJ ACC ABV KAN PHC LAD KGL EBB
    DAR MBA ZNZ JRO LUN HRE DUR PLZ GRJ WDH MRU RUN TNR SEZ MED AHB TUU ELQ EBL BSR NJF MHD SYZ TBZ
    JAI LKO PAT VNS BBI GAU IXB IXC ATQ SXR TRV IXE CJB NAG RPR IDR BHO VTZ TRZ MLE RGN KTI SAI VTE
    LPQ CXR PQC HPH VII UTP KBV USM CEI HDY JHB KCH LGK SZB PLM PKU BTH PNK BPN SRG JOG LOP AMQ DJJ
    ILO DVO KLO PPS CRK TAG MFM RMQ TSA SDJ HIJ KMJ KOJ KMI NGS MYJ TAK KCZ HNA AOJ AKJ MMY ISG
    CJJ TAE KWJ HET BAV LHW XNN INC YNT WNZ NGB ZUH SWA KHN HFE CZX WUX YIW LJG DLU JHG LXA KRY KHG
    ULN CBR HBA LST DRW TSV MKY ROK ASP KTA NTL MCY ZQN DUD NSN NAN POM PPT NOU GUM SPN APW
    RFD AZA SFB YTZ TEB SJW PIE LCY VNY SGC""",
)

# The clock of an airport names its continent, with these exceptions of the continents of ISO 3166.
_CONTINENT_OF_ZONE = {
    "Africa": "AF", "Asia": "AS", "Europe": "EU", "Australia": "OC", "Pacific": "OC",
    "America": "NA", "Antarctica": "AN", "Arctic": "EU",
}  # fmt: skip
_CONTINENT_OF_COUNTRY = {
    "TR": "AS", "RU": "EU", "CY": "AS", "IS": "EU", "PT": "EU", "ES": "EU", "US": "NA", "CL": "SA",
    "EC": "SA", "AR": "SA", "BO": "SA", "BR": "SA", "CO": "SA", "GY": "SA", "PE": "SA", "PY": "SA",
    "SR": "SA", "UY": "SA", "VE": "SA", "GF": "SA", "MV": "AS", "MU": "AF", "RE": "AF", "SC": "AF",
    "MG": "AF", "CV": "AF", "BM": "NA", "FO": "EU", "KM": "AF", "YT": "AF", "SH": "AF", "FK": "SA",
}  # fmt: skip


@dataclass(frozen=True)
class Places:
    """Airports as columns; ``traffic`` is a weight, 0 where no airliner is sent."""

    icao: list[str]
    iata: list[str]
    name: list[str]
    country: NDArray[np.str_]
    continent: NDArray[np.str_]
    lat_deg: Floats
    lon_deg: Floats
    elevation_ft: Floats
    traffic: Floats
    index: dict[str, int]  # by IATA code

    def distances_km(self, place: int) -> Floats:
        """Return the great-circle distance of every airport from one (haversine)."""
        lat, lon = np.radians(self.lat_deg), np.radians(self.lon_deg)
        h = (
            np.sin((lat - lat[place]) / 2) ** 2
            + np.cos(lat) * np.cos(lat[place]) * np.sin((lon - lon[place]) / 2) ** 2
        )
        return np.asarray(2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.minimum(h, 1.0))))


@cache
def load_places() -> Places:
    """Return the airports with an IATA code, in the order of the codes."""
    rows = sorted(airportsdata.load("IATA").values(), key=lambda row: str(row["iata"]))
    iata = [str(row["iata"]) for row in rows]
    weight = {code: 27.0 / 3**n for n, tier in enumerate(_TIERS, 1) for code in tier.split()}
    return Places(
        icao=[str(row["icao"]) for row in rows],
        iata=iata,
        name=[str(row["name"]) for row in rows],
        country=np.array([str(row["country"]) for row in rows]),
        continent=np.array([_continent(str(row["country"]), str(row["tz"])) for row in rows]),
        lat_deg=np.array([float(row["lat"]) for row in rows]),
        lon_deg=np.array([float(row["lon"]) for row in rows]),
        elevation_ft=np.array([float(row["elevation"]) for row in rows]),
        traffic=np.array([weight.get(code, 0.0) for code in iata]),
        index={code: index for index, code in enumerate(iata)},
    )


def _continent(country: str, zone: str) -> str:
    if country in _CONTINENT_OF_COUNTRY:
        return _CONTINENT_OF_COUNTRY[country]
    return _CONTINENT_OF_ZONE.get(zone.split("/")[0], "AF")
