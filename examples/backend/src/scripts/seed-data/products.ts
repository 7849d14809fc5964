import { infusionPump, peristalticPump, syringePump, tubingSet } from "./images"

export const products = [
  {
    handle: "flowdose-p1-peristaltic-pump",
    title: "FlowDose P1 Peristaltic Pump",
    subtitle: "Contamination-free dosing for laboratory and pharmacy",
    description:
      "Bench-top peristaltic pump with a three-roller head. The fluid touches nothing but the tubing, so a change of " +
      "medium is a change of tube. Flow from 0.1 to 120 mL/min, calibrated per tubing size, with RS-485 and analogue control.",
    sku: "FD-P1",
    price: 1490,
    image: peristalticPump,
    material: "Powder-coated aluminium",
    weight: 4200,
  },
  {
    handle: "flowdose-s2-syringe-pump",
    title: "FlowDose S2 Syringe Pump",
    subtitle: "Microlitre accuracy for syringes from 5 to 60 mL",
    description:
      "Syringe driver for slow and exact infusion from 0.01 to 1500 mL/h. Recognises the usual syringe makes, keeps the line " +
      "open at a rate of your choice and stops at an adjustable occlusion pressure. Eight hours on battery.",
    sku: "FD-S2",
    price: 2340,
    image: syringePump,
    material: "ABS, stainless steel",
    weight: 2300,
  },
  {
    handle: "flowdose-v3-infusion-pump",
    title: "FlowDose V3 Infusion Pump",
    subtitle: "Volumetric pump with a drug library for the ward",
    description:
      "Volumetric infusion pump with a drug library, dose limits and air-in-line detection. Clamps to any pole or rail, " +
      "stacks without tools and reports to the hospital's network over Ethernet or Wi-Fi.",
    sku: "FD-V3",
    price: 1890,
    image: infusionPump,
    material: "ABS",
    weight: 1900,
  },
  {
    handle: "sterile-tubing-set",
    title: "Sterile Tubing Set 3.2 mm",
    subtitle: "Box of 50, Luer lock, single use",
    description:
      "Platinum-cured silicone tubing of 3.2 mm inner diameter and 2 m length with Luer lock connectors, packed singly and " +
      "sterilised with gamma radiation. Fits the heads of the P series. Fifty sets in a box, five years of shelf life.",
    sku: "FD-T32-50",
    price: 128,
    image: tubingSet,
    material: "Silicone",
    weight: 2600,
  },
]
