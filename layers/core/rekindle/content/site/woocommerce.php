<?php
/**
 * Plugin Name: Rekindle
 * Description: Loads the site script, and writes down in an order whose browser and which cart it was made with.
 *
 * Put it into wp-content/mu-plugins/ as rekindle.php. It stores nothing of its own and asks nobody.
 */

defined( 'ABSPATH' ) || exit;

add_action( 'wp_enqueue_scripts', function () {
	if ( ! is_admin() ) {
		wp_enqueue_script( 'rekindle', '@SCRIPT@', array(), null, false );
	}
} );

add_filter( 'script_loader_tag', function ( $tag, $handle ) {
	return 'rekindle' === $handle ? str_replace( ' src=', ' async src=', $tag ) : $tag;
}, 10, 2 );

// A line of the cart knows its variation; the script needs the product that people look at, too.
add_action( 'woocommerce_blocks_loaded', function () {
	if ( function_exists( 'woocommerce_store_api_register_endpoint_data' ) ) {
		woocommerce_store_api_register_endpoint_data( array(
			'endpoint'        => 'cart-item',
			'namespace'       => 'rekindle',
			'data_callback'   => function ( $item ) {
				return array( 'id' => $item['product_id'] );
			},
			'schema_callback' => function () {
				return array( 'id' => array( 'type' => 'integer', 'readonly' => true, 'context' => array( 'view', 'edit' ) ) );
			},
			'schema_type'     => ARRAY_A,
		) );
	}
} );

// The service worker that shows push messages has to come from the shop itself. It is one line, which fetches the rest.
add_action( 'init', function () {
	if ( isset( $_GET['rekindle-worker'] ) ) {
		header( 'Content-Type: text/javascript; charset=utf-8' );
		header( 'Cache-Control: max-age=600' );
		echo "importScripts( '@WORKER@' );";
		exit;
	}
} );

function rekindle_mark( $order ) {
	foreach ( array( 'rekindle_id' => '_rekindle_browser', 'rekindle_cart' => '_rekindle_cart' ) as $cookie => $meta ) {
		$value = isset( $_COOKIE[ $cookie ] ) ? sanitize_text_field( wp_unslash( $_COOKIE[ $cookie ] ) ) : '';
		if ( preg_match( '/^[A-Za-z0-9_-]{16,64}$/', $value ) ) {
			$order->update_meta_data( $meta, $value );
		}
	}
}
add_action( 'woocommerce_checkout_create_order', 'rekindle_mark' );
add_action( 'woocommerce_store_api_checkout_update_order_meta', 'rekindle_mark' );
