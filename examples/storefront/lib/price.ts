import type { Price, Product } from "./medusa"

export function formatPrice(price: Price): string {
  return new Intl.NumberFormat("en", { style: "currency", currency: price.currency_code }).format(price.calculated_amount)
}

export function cheapestPrice(product: Product): Price | undefined {
  return (product.variants ?? [])
    .flatMap(({ calculated_price }) => calculated_price ?? [])
    .sort((a, b) => a.calculated_amount - b.calculated_amount)[0]
}
